export const grid = {
  filterOf: (column: string) => `Filter ${column}: > 60, 60..80, = 47, != 3, null, or a text`,
  found: (n: string) => `${n} rows`,
  naive: 'clock of the recorder, which names no zone',
  wrong: {
    number: 'takes a number, as in > 60, 60..80, = 47, != 3 or null',
    time: 'takes a time, as in 12:02..12:10, > 2024-11-15 or null',
    empty: 'needs a value behind the sign',
  },
  noMatch: 'No rows match',
  withoutFilters: (n: string) => `${n} rows without filters.`,
  columns: 'Columns',
  resetColumns: 'All columns, as they were',
};
