/* Tables of text: columns as wide as their widest cell, numbers to the right.
 *
 *     cli_table table;
 *     cli_table_init(&table, "NAME|>CORES");
 *     cli_table_row(&table);
 *     cli_table_cell(&table, "%s", worker->name);
 *     cli_table_cell(&table, "%d", 8);
 *     cli_table_print(&table);
 *
 * A cell is one argument of its own, not a part of a line: a name may hold any character.
 */
#ifndef KOFN_CLI_TABLE_H
#define KOFN_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { CLI_TABLE_COLUMNS_MAX = 16, CLI_TABLE_CELL_MAX = 80 };

typedef struct cli_table {
    size_t columns, rows;
    size_t filled;                     // cells of the last row
    bool right[CLI_TABLE_COLUMNS_MAX]; // a number: aligned to the right
    char (*cells)[CLI_TABLE_CELL_MAX]; // [rows, columns]; the first row are the headings
    bool failed;                       // no memory: rows are missing
} cli_table;

/* Headings joined by '|'; one that begins with '>' is of a column of numbers: "NAME|>CORES". */
void cli_table_init(cli_table *table, const char *headings);

/* A new row; cells that are not filled in are empty. */
void cli_table_row(cli_table *table);

/* The row's next cell: cleaned (text.h), cut to CLI_TABLE_CELL_MAX. */
void cli_table_cell(cli_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* To standard output; ends the table. */
void cli_table_print(cli_table *table);

#endif
