/** libsodium's WebAssembly build, in a file that is loaded only where no native package works. */
export { default as loadLibsodium } from 'libsodium';
