import { describe, expect, it } from 'vitest';
import { GridBody, type BodyColumn, type BodyView } from './body';
import { cellStyle } from './cells';

const column = (name: string, type: string, at: number): BodyColumn => ({
  at,
  value: at,
  style: cellStyle({ name, type, unit: '' } as Parameters<typeof cellStyle>[0]),
  left: at * 100,
  width: 100,
});
const columns = [column('seq', 'u32', 0), column('name', 'str', 1), column('raw', 'bin', 2)];
const kept = new Map<number, readonly unknown[]>();
const rowOf = (i: number) => kept.get(i) ?? kept.set(i, [i, `row ${i}`, 'ff']).get(i);
const view = (change: Partial<BodyView> = {}): BodyView => ({
  first: 0,
  count: 10,
  origin: 0,
  base: 0,
  rowHeight: 24,
  columns,
  row: rowOf,
  selected: undefined,
  current: { row: -1, column: 0, id: 'cell' },
  ...change,
});

function body() {
  const root = document.createElement('div');
  return { root, body: new GridBody(root), rows: () => [...root.children] as HTMLElement[] };
}
const indexes = (rows: HTMLElement[]) => rows.map((r) => Number(r.dataset['i']));
const texts = (row: HTMLElement | undefined) => [...(row?.children ?? [])].map((c) => c.textContent);

describe('the rows of a grid', () => {
  it('are written where they stand', () => {
    const { body: b, rows } = body();
    b.draw(view({ first: 4096, base: 4090, origin: 4096 }));
    const row = rows()[2];
    expect(indexes(rows())).toEqual(Array.from({ length: 10 }, (_, i) => 4096 + i));
    expect(texts(row)).toEqual(['4\u202f098', 'row 4098', 'ff']);
    expect(row?.style.top).toBe('192px');
    expect(row?.getAttribute('aria-rowindex')).toBe('4101');
    expect([...(row?.children ?? [])].map((c) => c.className.trim())).toEqual(['edge n', '', 'mono']);
    expect([row?.style.paddingLeft, (row?.children[1] as HTMLElement).style.width]).toEqual(['0px', '100px']);
  });

  it('keep their elements for a step, and stand in order at rest', () => {
    const { body: b, rows } = body();
    b.draw(view());
    const before = new Map(rows().map((r) => [r.dataset['i'], r]));
    let asked = 0;
    b.draw(view({ first: 3, row: (i) => (asked++, rowOf(i)) }));
    expect(indexes(rows())).toEqual([10, 11, 12, 3, 4, 5, 6, 7, 8, 9]);
    for (const r of rows().slice(3)) expect(r).toBe(before.get(r.dataset['i']));
    expect(asked).toBe(10);
    b.draw(view({ first: 3, origin: 3 }));
    expect(indexes(rows())).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(texts(rows()[0])).toEqual(['3', 'row 3', 'ff']);
  });

  it('are clipped where a text may not fit', () => {
    const { body: b, rows } = body();
    const texts = ['W'.repeat(8), 'W'.repeat(9), '列車運行', 'é'];
    b.draw(view({ count: 4, row: (i) => [-1234567, texts[i], null] }));
    expect(rows().map((r) => [...r.children].map((c) => c.classList.contains('long')))).toEqual([
      [true, false, false],
      [true, true, false],
      [true, true, false],
      [true, true, false],
    ]);
  });

  it('write nothing that has not changed', () => {
    const { body: b, root } = body();
    b.draw(view());
    const changed: MutationRecord[] = [];
    const watch = new MutationObserver((list) => changed.push(...list));
    watch.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
    b.draw(view());
    changed.push(...watch.takeRecords());
    expect(changed).toHaveLength(0);
    b.draw(view({ first: 1 }));
    changed.push(...watch.takeRecords());
    watch.disconnect();
    const touched = new Set(
      changed.map(
        (c) => (c.target.parentElement?.closest('.dg-r') ?? (c.target as Element).closest('.dg-r')) as HTMLElement,
      ),
    );
    expect([...touched].map((r) => r.dataset['i'])).toEqual(['10']);
  });

  it('wait for values, and show those of another answer', () => {
    const { body: b, rows } = body();
    const there = new Set([0]);
    b.draw(view({ count: 2, row: (i) => (there.has(i) ? rowOf(i) : undefined) }));
    expect(rows().map((r) => r.classList.contains('wait'))).toEqual([false, true]);
    expect(texts(rows()[1])).toEqual(['', '', '']);
    there.add(1);
    b.draw(view({ count: 2, row: (i) => (there.has(i) ? [i, null, '0'] : undefined) }));
    expect(rows().map((r) => r.classList.contains('wait'))).toEqual([false, false]);
    expect(texts(rows()[1])).toEqual(['1', '–', '0']);
    expect([...(rows()[0]?.children ?? [])].map((c) => c.classList.contains('zero'))).toEqual([true, true, true]);
  });

  it('have the cells of the columns in sight', () => {
    const { body: b, rows } = body();
    b.draw(view());
    b.draw(view({ columns: columns.slice(1) }));
    const cells = [...(rows()[4]?.children ?? [])] as HTMLElement[];
    expect(cells.map((c) => [c.dataset['j'], c.style.width, c.textContent])).toEqual([
      ['1', '100px', 'row 4'],
      ['2', '100px', 'ff'],
    ]);
    expect(rows()[4]?.style.paddingLeft).toBe('100px');
    b.draw(view());
    expect(texts(rows()[4])).toEqual(['4', 'row 4', 'ff']);
  });

  it('have one selected row, and one cell that keys act on', () => {
    const { body: b, root, rows } = body();
    b.draw(view({ selected: 2, current: { row: 2, column: 1, id: 'a' } }));
    b.draw(view({ selected: 3, current: { row: 3, column: 2, id: 'b' }, count: 4 }));
    expect(rows().map((r) => r.getAttribute('aria-selected'))).toEqual(['false', 'false', 'false', 'true']);
    expect(root.querySelectorAll('[id]')).toHaveLength(1);
    expect(root.querySelector('.at')).toBe(rows()[3]?.children[2]);
    expect(root.querySelector('#b')?.textContent).toBe('ff');
  });
});
