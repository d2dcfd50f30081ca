/** A parameter of a decoder, as its JSON Schema describes it. */
export interface Param {
  name: string;
  type: string;
  description: string;
  /** As JSON; undefined if there is none. */
  standard: string | undefined;
  /** What else it says: choices, bounds, examples. */
  allowed: string;
  required: boolean;
}

type Schema = Record<string, unknown>;

const object = (v: unknown): Schema => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Schema) : {});
const json = (v: unknown) => JSON.stringify(v);

export function paramsOf(schema: Schema): Param[] {
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  return Object.entries(object(schema['properties'])).map(([name, value]) => {
    const p = object(value);
    return {
      name,
      type: typeOf(p),
      description: typeof p['description'] === 'string' ? p['description'] : '',
      standard: 'default' in p ? json(p['default']) : undefined,
      allowed: allowedOf(p),
      required: required.includes(name),
    };
  });
}

function typeOf(p: Schema): string {
  const type = p['type'];
  if (Array.isArray(type)) return type.join(' | ');
  if (type === 'array') return typeOf(object(p['items'])) + '[]';
  return typeof type === 'string' ? type : 'any';
}

function allowedOf(p: Schema): string {
  const parts: string[] = [];
  if (Array.isArray(p['enum'])) parts.push(p['enum'].map(json).join(' | '));
  const low = p['minimum'] ?? p['minLength'];
  const high = p['maximum'] ?? p['maxLength'];
  if (low !== undefined || high !== undefined) parts.push(`${low ?? ''}…${high ?? ''}`);
  if (typeof p['pattern'] === 'string') parts.push(p['pattern']);
  if (Array.isArray(p['examples']) && p['examples'].length > 0) parts.push(p['examples'].map(json).join(', '));
  return parts.join('; ');
}
