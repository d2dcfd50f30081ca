import { describe, expect, it } from 'vitest';
import { bytesText, clock, duration, hex, moment, num, zone } from './format';

const nn = '\u202f';

describe('num', () => {
  it.each([
    [0, undefined, '0'],
    [3438, undefined, `3${nn}438`],
    [-1234567.5, undefined, `−1${nn}234${nn}567.5`],
    [90.504, 2, '90.50'],
    [-0.001, 2, '0.00'],
    [0.1 + 0.2, undefined, '0.3'],
    [1e21, undefined, '1.000e+21'],
    [1e-9, undefined, '1.000e−9'],
    [NaN, undefined, 'NaN'],
    [-Infinity, undefined, '−∞'],
    [null, undefined, '–'],
    [undefined, 1, '–'],
  ])('%s with %s digits is %s', (value, digits, want) => expect(num(value, digits)).toBe(want));
});

describe('bytes', () => {
  it.each([
    [0, '0\u00a0B'],
    [999, '999\u00a0B'],
    [999_500, '1.0\u00a0MB'],
    [125_011, '125\u00a0kB'],
    [1_100_000_000_000_000_000, `1${nn}100\u00a0PB`],
    [null, '–'],
  ])('%s is %s', (n, want) => expect(bytesText(n)).toBe(want));
});

describe('duration', () => {
  it.each([
    [0, '0\u00a0s'],
    [0.0004, '0.4\u00a0ms'],
    [0.042, '42\u00a0ms'],
    [0.9996, '1.0\u00a0s'],
    [1.84, '1.8\u00a0s'],
    [59.6, '1\u00a0min'],
    [269, '4\u00a0min 29\u00a0s'],
    [3599.9, '1\u00a0h'],
    [16_140, '4\u00a0h 29\u00a0min'],
    [12 * 86_400 + 4 * 3600, '12\u00a0d 4\u00a0h'],
    [-5, '−5.0\u00a0s'],
    [null, '–'],
  ])('%s is %s', (s, want) => expect(duration(s)).toBe(want));
});

it('writes offsets', () => {
  expect(hex(0x1cf4, 5)).toBe('0x01CF4');
});

it('leaves out the day of today', () => {
  const now = new Date(2026, 10, 28, 13, 5, 9, 7);
  expect(moment(now, now)).toBe('13:05:09');
  expect(moment(new Date(2026, 10, 27, 23, 59, 59), now)).toBe('2026-11-27 23:59:59');
  expect(clock(now, true)).toBe('13:05:09.007');
  expect(zone(now)).toMatch(/^[+−]\d\d:\d\d$/);
});
