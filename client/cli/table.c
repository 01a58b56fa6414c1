#include "client/cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
cell_of(cli_table *table, size_t row, size_t column)
{
    return table->cells[row * table->columns + column];
}

/* Split at '|' into the cells of a new last row. */
static void
add_line(cli_table *table, const char *line)
{
    void *cells =
        reallocarray(table->cells, (table->rows + 1) * table->columns, sizeof table->cells[0]);
    if (!cells) {
        table->failed = true;
        return;
    }
    table->cells = cells;
    table->rows++;
    for (size_t column = 0; column < table->columns; column++) {
        const size_t length = strcspn(line, "|");
        (void)snprintf(cell_of(table, table->rows - 1, column), CLI_TABLE_CELL_MAX, "%.*s",
                       (int)length, line);
        line += length + (line[length] == '|');
    }
}

void
cli_table_init(cli_table *table, const char *headings)
{
    char plain[256];
    size_t length = 0;
    *table = (cli_table){.columns = 1};
    table->right[0] = headings[0] == '>';
    for (const char *at = headings; *at; at++) {
        if (*at == '>')
            continue;
        assert(length + 1 < sizeof plain && table->columns <= CLI_TABLE_COLUMNS_MAX);
        plain[length++] = *at;
        if (*at == '|')
            table->right[table->columns++] = at[1] == '>';
    }
    plain[length] = '\0';
    add_line(table, plain);
}

void
cli_table_add(cli_table *table, const char *format, ...)
{
    char line[CLI_TABLE_COLUMNS_MAX * CLI_TABLE_CELL_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args); // a cut row is still one
    va_end(args);
    add_line(table, line);
}

static int
width_of(cli_table *table, size_t column)
{
    size_t width = 0;
    for (size_t row = 0; row < table->rows; row++) {
        const size_t length = strlen(cell_of(table, row, column));
        width = length > width ? length : width;
    }
    return (int)width;
}

/* One row; blanks at its end are not printed. */
static void
print_row(cli_table *table, size_t row)
{
    char line[CLI_TABLE_COLUMNS_MAX * (CLI_TABLE_CELL_MAX + 2)];
    size_t length = 0;
    for (size_t column = 0; column < table->columns; column++) {
        const int width = width_of(table, column);
        length += (size_t)snprintf(line + length, sizeof line - length, "%s%*s",
                                   column > 0 ? "  " : "", table->right[column] ? width : -width,
                                   cell_of(table, row, column)); // fits: a cell is narrower
    }
    while (length > 0 && line[length - 1] == ' ')
        length--;
    printf("%.*s\n", (int)length, line);
}

void
cli_table_print(cli_table *table)
{
    for (size_t row = 0; row < table->rows; row++)
        print_row(table, row);
    if (table->failed)
        (void)fprintf(stderr, "kofn: no memory for the whole table\n");
    free(table->cells);
    *table = (cli_table){0};
}
