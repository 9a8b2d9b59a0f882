/** Gives freed memory back to the system. */
import { type CLibrary, cLibrary } from './c-library.js';

/** Gives back what the C library holds and nobody uses. To be called when much was freed at once, and not often: the pages
 *  must be fetched again when they are needed again.
 *
 *  V8 compiles in memory of the C library. Afterwards this is free, but glibc gives back by itself only what lies at the end of
 *  its heap, and an idle process would keep megabytes for good (docs/adr/0028-idle-peers.md). Other C libraries have no such
 *  call, and without koffi nothing happens. */
export function returnFreedMemory(library: Pick<CLibrary, 'malloc_trim'> | undefined = cLibrary()): void {
  library?.malloc_trim?.(0);
}
