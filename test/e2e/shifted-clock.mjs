// Loaded into a program with --import: its wall clock differs from the machine's by CLOCK_SHIFT_SECONDS.
const realNow = Date.now;
const shiftMs = 1000 * Number(process.env.CLOCK_SHIFT_SECONDS);

Date.now = () => realNow() + shiftMs;
