import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import { charts } from '../../i18n/en/charts';
import Marks from './Marks.svelte';

it('sets a cursor at the readout, removes it there, and clears both', async () => {
  const told: unknown[] = [];
  const props = {
    t: charts,
    a: null as number | null,
    b: null as number | null,
    cursor: 5 as number | null,
    onmark: (...mark: unknown[]) => told.push(mark),
    onclear: () => told.push('clear'),
  };
  const { rerender } = render(Marks, { props });
  const press = (name: string) => fireEvent.click(screen.getByRole('button', { name }));
  expect(screen.queryByRole('button', { name: 'Clear A and B' })).toBeNull();
  await press('Set A here');
  await rerender({ ...props, a: 5 });
  await press('Remove A');
  await press('Set B here');
  await rerender({ ...props, a: 5, cursor: 6 });
  await press('Set A here');
  await press('Clear A and B');
  expect(told).toEqual([['a', 5], ['a', null], ['b', 5], ['a', 6], 'clear']);
  await rerender({ ...props, cursor: null });
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Set A here' }).disabled).toBe(true);
});
