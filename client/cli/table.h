/* Tables of text: columns as wide as their widest cell, numbers to the right. */
#ifndef KOFN_CLI_TABLE_H
#define KOFN_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_TABLE_COLUMNS_MAX = 16, CLI_TABLE_CELL_MAX = 80 };

typedef struct cli_table {
    size_t columns, rows;
    bool right[CLI_TABLE_COLUMNS_MAX]; // a number: aligned to the right
    char (*cells)[CLI_TABLE_CELL_MAX]; // [rows, columns]; the first row are the headings
    bool failed;                       // no memory: rows are missing
} cli_table;

/* Headings joined by '|'; one that begins with '>' is of a column of numbers: "NAME|>CORES". */
void cli_table_init(cli_table *table, const char *headings);

/* A row, cells joined by '|' after formatting. */
void cli_table_add(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* To standard output; ends the table. */
void cli_table_print(cli_table *table);

#endif
