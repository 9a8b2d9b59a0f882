/** One step of `underpass doctor`, and how it ended. */
import { FINDINGS, type FindingId } from './findings.js';

export type StepName =
  | 'config'
  | 'clock'
  | 'name'
  | 'udp'
  | 'answer'
  | 'relay'
  | 'target'
  | 'throughput'
  | 'round trip'
  | 'loss'
  | 'path MTU';

export interface StepResult {
  readonly step: StepName;
  /** A warning does not stop the examination. */
  readonly status: 'ok' | 'warning' | 'failed';
  /** One line, or one for each mistake in a config. */
  readonly text: string;
  /** Undefined when all is well. */
  readonly finding?: FindingId;
  readonly advice?: string;
}

export function passed(step: StepName, text: string): StepResult {
  return { step, status: 'ok', text };
}

/** @param details  what is known about it, as the end of the line */
export function found(
  step: StepName,
  finding: FindingId,
  details = '',
  status: 'warning' | 'failed' = 'failed',
): StepResult {
  const { title, advice } = FINDINGS[finding];
  return { step, status, text: details === '' ? title : `${title}: ${details}`, finding, advice };
}
