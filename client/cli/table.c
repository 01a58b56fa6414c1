#include "client/cli/table.h"

#include "client/cli/text.h"

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

void
cli_table_row(cli_table *table)
{
    void *cells =
        reallocarray(table->cells, (table->rows + 1) * table->columns, sizeof table->cells[0]);
    if (!cells) {
        table->failed = true;
        table->filled = table->columns; // its cells go nowhere
        return;
    }
    table->cells = cells;
    table->rows++;
    table->filled = 0;
    for (size_t column = 0; column < table->columns; column++)
        cell_of(table, table->rows - 1, column)[0] = '\0';
}

void
cli_table_cell(cli_table *table, const char *format, ...)
{
    if (table->filled == table->columns) {
        assert(table->failed && "no more cells than headings");
        return;
    }
    char *cell = cell_of(table, table->rows - 1, table->filled++);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cell, CLI_TABLE_CELL_MAX, format, args); // a cut cell is still one
    va_end(args);
    cli_clean(cell);
}

void
cli_table_init(cli_table *table, const char *headings)
{
    *table = (cli_table){.columns = 1};
    for (const char *at = headings; *at; at++)
        table->columns += *at == '|';
    assert(table->columns <= CLI_TABLE_COLUMNS_MAX);

    cli_table_row(table);
    const char *at = headings;
    for (size_t column = 0; column < table->columns; column++) {
        table->right[column] = *at == '>';
        at += *at == '>';
        const size_t length = strcspn(at, "|");
        cli_table_cell(table, "%.*s", (int)length, at);
        at += length + (at[length] == '|');
    }
}

/* Characters, where strlen counts bytes. Those that a terminal draws twice as wide are not known
 * here. */
static size_t
count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static size_t
width_of(cli_table *table, size_t column)
{
    size_t width = 0;
    for (size_t row = 0; row < table->rows; row++) {
        const size_t length = count_characters(cell_of(table, row, column));
        width = length > width ? length : width;
    }
    return width;
}

/* One row; blanks at its end are not printed. */
static void
print_row(cli_table *table, size_t row)
{
    char line[CLI_TABLE_COLUMNS_MAX * (CLI_TABLE_CELL_MAX + 2) * 2];
    size_t length = 0;
    for (size_t column = 0; column < table->columns; column++) {
        const char *cell = cell_of(table, row, column);
        const int blanks = (int)(width_of(table, column) - count_characters(cell));
        const bool right = table->right[column];
        length += (size_t)snprintf(line + length, sizeof line - length, "%s%*s%s%*s",
                                   column > 0 ? "  " : "", right ? blanks : 0, "", cell,
                                   right ? 0 : blanks, ""); // fits: twice a cell's bytes at most
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
