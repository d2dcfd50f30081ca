/** The colours of the tokens, as a canvas takes them; read anew when the theme changes. */
export interface Palette {
  series: string[];
  ink: string;
  ink3: string;
  grid: string;
  axis: string;
  surface: string;
  fill: string;
  faint: string;
  faintFill: string;
  over: string;
  font: string;
}

export function readPalette(root: HTMLElement): Palette {
  const probe = document.createElement('span');
  probe.hidden = true;
  root.append(probe);
  const style = getComputedStyle(probe);
  const read = (token: string) => {
    probe.style.color = `var(--${token})`;
    return style.color;
  };
  const palette = {
    series: ['c-1', 'c-2', 'c-3', 'c-4'].map(read),
    ink: read('ink'),
    ink3: read('ink-3'),
    grid: read('grid'),
    axis: read('line-strong'),
    surface: read('surface'),
    fill: read('c-fill'),
    faint: read('c-static'),
    faintFill: read('c-static-fill'),
    over: read('err-mark'),
    font: '11px ' + style.fontFamily,
  };
  probe.remove();
  return palette;
}
