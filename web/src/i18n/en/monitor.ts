export const monitor = {
  title: 'Metrics',
};
