// No tunnel: TCP straight to the target, to see what a tunnel adds.

export const direct = {
  id: 'direct',
  title: 'direct TCP',
  missing: () => undefined,
  start: async ({ network, targetPort }) => ({
    address: { host: network.address.relay, port: targetPort },
    programs: [],
  }),
};
