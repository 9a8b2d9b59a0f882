/** A situation worth a look, with a question to answer before looking. */
export interface Experiment {
  /** In the address: `#experiment=lost-handshake`. */
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly answers: readonly string[];
  /** The index of the right one. */
  readonly right: number;
  readonly watch: string;
  /** Why it is so. Each figure in it is checked by a test. */
  readonly explanation: string;
  /** The section of the specification to read. */
  readonly spec: string;
  /** The session, as the fragment of an address. */
  readonly link: string;
  /** Virtual ms per second of real time, at first. */
  readonly speed: number;
}
