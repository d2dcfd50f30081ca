import type { Attachment } from 'svelte/attachments';

/**
 * Tells the size of an element's content, now and whenever it changes: `{@attach sized((w, h) => …)}`. It is told with the layout
 * before the next picture; to read it at once, as bind:clientWidth does, would have the page laid out for each element that asks.
 */
export function sized(tell: (width: number, height: number) => void): Attachment<HTMLElement> {
  return (element) => {
    const watch = new ResizeObserver((entries) => {
      const size = entries.at(-1)?.contentRect;
      if (size) tell(size.width, size.height);
    });
    watch.observe(element);
    return () => watch.disconnect();
  };
}
