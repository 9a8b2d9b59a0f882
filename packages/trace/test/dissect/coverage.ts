import type { Dissection, Field } from '@underpass/trace';
import { expect } from 'vitest';

/** Checks that the fields cover `bytes` bytes, each of them once and in order. */
export function expectCoverage(dissection: Dissection, bytes: number): void {
  let end = 0;
  for (const field of fieldsOf(dissection)) {
    expect(field.offset, field.name).toBe(end);
    expect(field.length, field.name).toBeGreaterThan(0);
    expect(field.name).not.toBe('');
    expect(field.value, field.name).not.toBe('');
    end = field.offset + field.length;
  }
  expect(end).toBe(bytes);
}

export function fieldsOf({ parts }: Dissection): readonly Field[] {
  return parts.flatMap(({ fields }) => fields);
}
