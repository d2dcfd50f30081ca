// Where the jobs of a flow stand: a column by how many others have to end before, and within it near those it waits for.

export interface Node {
  key: string;
  depends_on: readonly string[];
}

export interface Placed {
  key: string;
  column: number;
  row: number;
}

export interface Edge {
  from: string;
  to: string;
}

export function layout(nodes: readonly Node[]): {
  placed: Map<string, Placed>;
  edges: Edge[];
  columns: number;
  rows: number;
} {
  const byKey = new Map(nodes.map((n) => [n.key, n]));
  const depth = new Map<string, number>();
  const at = (key: string, path: ReadonlySet<string>): number => {
    const known = depth.get(key);
    if (known !== undefined) return known;
    const node = byKey.get(key);
    if (!node || path.has(key)) return 0; // the appliance allows no circle; a broken answer must not hang the page
    const inner = new Set(path).add(key);
    const own = Math.max(-1, ...node.depends_on.filter((d) => byKey.has(d)).map((d) => at(d, inner))) + 1;
    depth.set(key, own);
    return own;
  };
  for (const n of nodes) at(n.key, new Set());
  const columns: Node[][] = [];
  for (const n of nodes) (columns[depth.get(n.key) ?? 0] ??= []).push(n);
  const placed = new Map<string, Placed>();
  let rows = 0;
  for (const [column, list] of columns.entries()) {
    const middle = (n: Node) => {
      const above = n.depends_on.map((d) => placed.get(d)?.row ?? 0);
      return above.length > 0 ? above.reduce((a, b) => a + b, 0) / above.length : 0;
    };
    const sorted = list.map((n, i) => ({ n, i, m: middle(n) })).sort((a, b) => a.m - b.m || a.i - b.i);
    for (const [row, { n }] of sorted.entries()) placed.set(n.key, { key: n.key, column, row });
    rows = Math.max(rows, sorted.length);
  }
  const edges = nodes.flatMap((n) => n.depends_on.filter((d) => byKey.has(d)).map((d) => ({ from: d, to: n.key })));
  return { placed, edges, columns: columns.length, rows };
}
