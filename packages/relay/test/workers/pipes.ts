/** The pipe between the main process of a relay and a worker, within one process. */
import { Duplex } from 'node:stream';

export interface Pipe extends Duplex {
  /** What was written, as the arrays that were written. */
  readonly written: Buffer[];
  /** What arrived, as the arrays that were passed to whoever reads. */
  readonly arrived: Buffer[];
}

/** Two ends of a pipe that delivers in pieces of `pieceBytes`. */
export function pipes(pieceBytes = 65_536): readonly [Pipe, Pipe] {
  const make = (other: () => Pipe): Pipe => {
    const written: Buffer[] = [];
    const arrived: Buffer[] = [];
    const pipe = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk);
        for (let at = 0; at < chunk.length; at += pieceBytes) {
          const piece = Buffer.from(chunk.subarray(at, at + pieceBytes));
          other().arrived.push(piece);
          other().push(piece);
        }
        done();
      },
      destroy(_error, done) {
        if (!other().destroyed) setImmediate(() => other().destroy());
        done(null);
      },
    });
    return Object.assign(pipe, { written, arrived });
  };
  const a: Pipe = make(() => b);
  const b: Pipe = make(() => a);
  return [a, b];
}
