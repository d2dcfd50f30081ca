import type { Palette } from './palette';

/**
 * The lanes of a chart as one picture: canvases as they are, SVG with its styles written into it, the words beside them.
 * The colours are those of the theme that is seen.
 */
export async function picture(box: HTMLElement, title: string, palette: Palette, width: number): Promise<Blob | null> {
  const scale = Math.max(1, window.devicePixelRatio);
  const head = 28;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round((box.clientHeight + head) * scale);
  const ctx = canvas.getContext('2d');
  if (!ctx) return null;
  ctx.scale(scale, scale);
  ctx.fillStyle = palette.surface;
  ctx.fillRect(0, 0, width, box.clientHeight + head);
  ctx.fillStyle = palette.ink;
  ctx.font = palette.font.replace('11px', '600 14px');
  ctx.fillText(title, 14, 19);
  const origin = box.getBoundingClientRect();
  const place = (el: Element) => {
    const r = el.getBoundingClientRect();
    return { x: r.left - origin.left, y: r.top - origin.top + head, w: r.width, h: r.height };
  };
  // In the order of the page, so that the grid lies under the lines.
  for (const el of box.querySelectorAll<HTMLCanvasElement | SVGSVGElement>('canvas, svg')) {
    const p = place(el);
    const image = el instanceof HTMLCanvasElement ? el : await drawn(el);
    if (image) ctx.drawImage(image, p.x, p.y, p.w, p.h);
  }
  for (const el of box.querySelectorAll<HTMLElement>('span, b')) {
    const style = getComputedStyle(el);
    const text = el.childElementCount === 0 ? el.textContent : firstText(el);
    if (!text?.trim()) continue;
    const p = place(el);
    if (el.tagName === 'B') {
      ctx.fillStyle = style.backgroundColor;
      ctx.fillRect(p.x, p.y, p.w, p.h);
    }
    ctx.fillStyle = style.color;
    ctx.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    ctx.fillText(text.trim(), p.x + parseFloat(style.paddingLeft || '0'), p.y + Math.min(p.h, 13) - 2);
  }
  for (const el of box.querySelectorAll<HTMLElement>('i.cursor, i.mark')) {
    const p = place(el);
    ctx.fillStyle = getComputedStyle(el).borderLeftColor;
    ctx.fillRect(p.x, p.y, 1, p.h);
  }
  return new Promise((ok) => canvas.toBlob(ok, 'image/png'));
}

function firstText(el: Element): string {
  return [...el.childNodes].find((n) => n.nodeType === Node.TEXT_NODE)?.textContent ?? '';
}

const written = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'opacity',
  'font-size',
  'font-family',
  'font-weight',
  'paint-order',
];

async function drawn(svg: SVGSVGElement): Promise<HTMLImageElement | undefined> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const from = svg.querySelectorAll('*');
  for (const [i, el] of copy.querySelectorAll('*').entries()) {
    const style = getComputedStyle(from[i] as Element);
    for (const name of written) el.setAttribute(name, style.getPropertyValue(name));
    el.removeAttribute('class');
  }
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const image = new Image();
  image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(new XMLSerializer().serializeToString(copy));
  try {
    await image.decode();
    return image;
  } catch {
    return undefined;
  }
}
