import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const shared =
  /\/src\/(api|lib|shell|ui(?!\/(chart|grid)\/)|ui\/grid\/cells|uploads\/walk|pages\/files\/recordings|pages\/file\/source)|\/node_modules\/(svelte|openapi-fetch|esm-env|clsx)\//;

// The built files are committed (web/dist), so that `go build` needs no Node. Their names are stable and a build is
// byte-identical, so that a check can build anew and compare.
export default defineConfig({
  plugins: [svelte(), svelteTesting(), pages(), packages(), sources()],
  build: {
    target: ['chrome121', 'firefox120', 'safari17.5'], // the first that know light-dark() or came after: three years of browsers
    assetsInlineLimit: 0, // the Content-Security-Policy has no data: for scripts, styles and fonts
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    sourcemap: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
        // What the frame and more than one page use is one file: over a slow network a request costs more than its bytes.
        codeSplitting: {
          groups: [
            { name: 'shared', test: shared, minShareCount: 2 },
            { name: 'chart', test: /\/src\/ui\/chart\/|\/node_modules\/uplot\//, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: {
    // `WAYSIDE=http://127.0.0.1:8000 npm run dev` shows the console of a running appliance.
    proxy: Object.fromEntries(
      ['/api', '/health', '/metrics', '/docs', '/assets/licenses.json'].map((path) => [
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

/** Writes which scripts each address needs, so that the appliance names them with the page, before the first script runs. */
function pages(): Plugin {
  return {
    name: 'pages',
    apply: 'build',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((part) => part.type === 'chunk');
      const needs = (file: string, seen: Set<string>) => {
        if (seen.has(file)) return seen;
        seen.add(file);
        for (const next of chunks.find((c) => c.fileName === file)?.imports ?? []) needs(next, seen);
        return seen;
      };
      const first = new Set(chunks.filter((c) => c.isEntry).flatMap((c) => [...needs(c.fileName, new Set())]));
      const routes = readFileSync('src/routes.ts', 'utf8').matchAll(/pattern: '(.*?)',.*import\('\.\/(.*?)'\)/g);
      const found = [...routes].map(([, pattern = '', from = '']) => {
        const chunk = chunks.find((c) => c.facadeModuleId?.replaceAll('\\', '/').endsWith(`/src/${from}`));
        if (!chunk) this.error(`no script for ${pattern}`);
        return { pattern, scripts: [...needs(chunk.fileName, new Set())].filter((s) => !first.has(s)) };
      });
      this.emitFile({ type: 'asset', fileName: 'pages.json', source: JSON.stringify(found, null, 1) + '\n' });
    },
  };
}

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

/**
 * Writes which packages are in what browsers get, by their keys in package-lock.json: web/licenses looks for their
 * licences. What the bundler adds of itself counts.
 */
function packages(): Plugin {
  return {
    name: 'packages',
    apply: 'build',
    generateBundle(_, bundle) {
      const keys = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue;
        for (const [id, module] of Object.entries(chunk.modules)) {
          if (module.renderedLength === 0) continue;
          const own = /^\0(vite|rolldown)\//.exec(id);
          const path = /(?:node_modules\/(?:@[^/]+\/)?[^/]+\/)+/.exec(id.replaceAll('\\', '/'));
          if (own) keys.add('node_modules/' + own[1]);
          else if (path) keys.add(path[0].slice(0, -1));
        }
      }
      this.emitFile({ type: 'asset', fileName: 'packages.txt', source: [...keys].sort().join('\n') + '\n' });
    },
  };
}
