/** What /assets/licenses.json has: packages of others, and the texts they share. */
export interface Licenses {
  packages: { kind: 'go' | 'npm'; name: string; version: string; license: string; texts: number[] }[];
  texts: string[];
}

export type Licensed = Licenses['packages'][number];

/** Those with every word in their name, version or licence. */
export function matching(packages: readonly Licensed[], text: string): Licensed[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return packages.filter((p) => {
    const hay = `${p.name} ${p.version} ${p.license}`.toLowerCase();
    return words.every((w) => hay.includes(w));
  });
}

export const textOf = (licenses: Licenses, p: Licensed) => p.texts.map((i) => licenses.texts[i] ?? '').join('\n');
