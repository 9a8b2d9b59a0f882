// A request of 64 bytes and its answer, one after the other on one stream.

export const roundTrips = {
  id: 'round-trips',
  title: 'Request and response on one stream, 64 bytes each',
  metrics: {
    p50: { title: 'p50', unit: 'ms', better: 'less' },
    p99: { title: 'p99', unit: 'ms', better: 'less' },
  },
  measure: async ({ load, tunnel, seconds }) => {
    const { p50, p99 } = await load.ask('roundTrips', { address: tunnel.address, seconds, bytes: 64 });
    return { p50, p99 };
  },
};
