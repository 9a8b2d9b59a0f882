/** Parts of a client that the test plays. They record what is asked of them, in order. */

/** What is known about all of them, and what they answer. */
export const stage = {
  /** The clock of the driver. */
  now: 0,
  /** What each part was made with, by its name. */
  options: {} as Record<string, unknown>,
  /** All that it was made with. */
  parameters: {} as Record<string, readonly unknown[]>,
  /** `part.method` and its parameters. */
  calls: [] as unknown[][],
  /** What `part.method` returns; the value of `part.property=`. */
  answers: {} as Record<string, unknown>,
};

export type PlayedOptions = Readonly<Record<string, (...parameters: unknown[]) => unknown>> & {
  readonly handler: Readonly<Record<string, (...parameters: unknown[]) => unknown>>;
};

/** @returns a class that has every method */
export function played(name: string, values: object = {}) {
  return class {
    constructor(...parameters: unknown[]) {
      stage.options[name] = parameters[0];
      stage.parameters[name] = parameters;
      // biome-ignore lint/correctness/noConstructorReturn: nothing else can have every method
      return new Proxy(this, {
        get: (_target, key) => {
          if (Object.hasOwn(values, key)) return Reflect.get(values, key);
          const call = `${name}.${String(key)}`;
          if (Object.hasOwn(stage.answers, `${call}=`)) return stage.answers[`${call}=`];
          return (...given: unknown[]) => {
            stage.calls.push([call, ...given]);
            return stage.answers[call];
          };
        },
      });
    }
  };
}

/** The class of a driver. */
export const playedDriver = () => played('driver', { now: () => stage.now });

export const optionsOf = (name: string): PlayedOptions => stage.options[name] as PlayedOptions;

/** Something happens in the driver. */
export function fire(event: string, ...parameters: unknown[]): void {
  optionsOf('driver').handler[event]?.(...parameters);
}

/** The calls since the last look. */
export const calls = (): unknown[][] => stage.calls.splice(0);

export function reset(answers: Record<string, unknown> = {}): void {
  Object.assign(stage, { now: 1000, options: {}, parameters: {}, answers });
  stage.calls.length = 0;
}
