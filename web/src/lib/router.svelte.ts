// The address is the state: pages read what they show from the address and write it back. A change that the reader made on
// purpose is a step of Back; one that follows the pointer or the keys (`replace`) is not.

export interface Route {
  /** `/files/:id/:table?`: `:name` is one segment, `?` at its end makes it optional. */
  pattern: string;
  /** Which entry of the navigation is current. */
  nav: string;
  load: () => Promise<{ default: unknown }>;
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

export function matchRoute(routes: readonly Route[], path: string): Match | null {
  const parts = segments(path);
  for (const route of routes) {
    const params = matchPattern(segments(route.pattern), parts);
    if (params) return { route, params };
  }
  return null;
}

function segments(path: string): string[] {
  return path.split('/').filter((s) => s !== '');
}

function matchPattern(pattern: string[], parts: string[]): Record<string, string> | null {
  if (parts.length > pattern.length) return null;
  const params: Record<string, string> = {};
  for (const [i, p] of pattern.entries()) {
    const part = parts[i];
    const optional = p.endsWith('?');
    if (part === undefined) {
      if (optional) continue;
      return null;
    }
    if (p.startsWith(':')) {
      try {
        params[p.slice(1, optional ? -1 : undefined)] = decodeURIComponent(part);
      } catch {
        return null;
      }
    } else if (p !== part) return null;
  }
  return params;
}

type Values = Record<string, string | number | null | undefined | readonly string[]>;

export class Router {
  path = $state('/');
  search = $state('');
  query = $derived(new URLSearchParams(this.search));
  match: Match | null = $derived.by(() => matchRoute(this.routes, this.path));

  constructor(private readonly routes: readonly Route[]) {
    this.read();
  }

  /** Follows Back and links until it is told to stop. */
  listen(): () => void {
    const back = () => this.read();
    const click = (e: MouseEvent) => this.follow(e);
    window.addEventListener('popstate', back);
    document.addEventListener('click', click);
    return () => {
      window.removeEventListener('popstate', back);
      document.removeEventListener('click', click);
    };
  }

  go(href: string, replace = false): void {
    const url = new URL(href, location.href);
    if (url.pathname + url.search + url.hash !== location.pathname + location.search + location.hash) {
      if (replace) history.replaceState(null, '', url);
      else history.pushState(null, '', url);
    }
    this.read();
  }

  get(name: string): string | null {
    return this.query.get(name);
  }

  all(name: string): string[] {
    return this.query.getAll(name);
  }

  /** Changes some values of the query; null, '' and [] take one out. */
  set(values: Values, replace = false): void {
    this.go(this.path + this.with(values), replace);
  }

  /** The query with some values changed, for links. */
  with(values: Values): string {
    const next = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(values)) {
      next.delete(name);
      if (Array.isArray(value)) for (const v of value) next.append(name, v);
      else if (value !== null && value !== undefined && value !== '') next.set(name, String(value));
    }
    // What addresses may hold without escapes is left readable.
    const text = next.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%2F', '/');
    return text ? '?' + text : '';
  }

  private read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }

  private follow(e: MouseEvent): void {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = (e.target as Element | null)?.closest?.('a');
    if (!a || a.target || a.hasAttribute('download') || a.origin !== location.origin) return;
    if (a.hash && a.pathname === location.pathname && a.search === location.search) return;
    if (!matchRoute(this.routes, a.pathname)) return; // the API, metrics, docs
    e.preventDefault();
    this.go(a.href);
  }
}
