import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// The built files are committed (web/dist), so that `go build` needs no Node. Their names are stable and a build is
// byte-identical, so that a check can build anew and compare.
export default defineConfig({
  plugins: [svelte(), svelteTesting(), sources()],
  build: {
    target: ['chrome121', 'firefox120', 'safari17.5'], // the first that know light-dark() or came after: three years of browsers
    assetsInlineLimit: 0, // the Content-Security-Policy has no data: for scripts, styles and fonts
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    sourcemap: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  server: {
    // `WAYSIDE=http://127.0.0.1:8000 npm run dev` shows the console of a running appliance.
    proxy: Object.fromEntries(
      ['/api', '/health', '/metrics', '/docs'].map((path) => [
        path,
        { target: process.env['WAYSIDE'] ?? 'http://127.0.0.1:8000', changeOrigin: true, headers: { origin: '' } },
      ]),
    ),
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
    restoreMocks: true,
  },
});

/** Writes the sum of all sources beside what they gave, so that a test without Node notices when one was left behind. */
function sources(): Plugin {
  return {
    name: 'sources',
    apply: 'build',
    generateBundle() {
      const files = ['src', 'public'].flatMap((dir) =>
        readdirSync(dir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
          .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll('\\', '/')),
      );
      files.push('index.html', 'package-lock.json', 'svelte.config.js', 'vite.config.ts');
      const sum = createHash('sha256');
      for (const file of files.sort()) {
        const content = readFileSync(file);
        sum.update(`${file} ${content.length}\n`).update(content);
      }
      this.emitFile({ type: 'asset', fileName: 'sources.sha256', source: sum.digest('hex') + '\n' });
    },
  };
}
