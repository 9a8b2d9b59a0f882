// New connections: connect, one byte each way, close; eight at once.

export const connections = {
  id: 'connections',
  title: 'Connect, one byte each way, close; eight at once',
  metrics: {
    perSecond: { title: 'connections', unit: '1/s', better: 'more' },
    p50: { title: 'p50', unit: 'ms', better: 'less' },
    p99: { title: 'p99', unit: 'ms', better: 'less' },
  },
  measure: async ({ load, tunnel, seconds }) => {
    const result = await load.ask('connections', { address: tunnel.address, seconds, atOnce: 8 });
    return { perSecond: result.perSecond, p50: result.p50, p99: result.p99 };
  },
};
