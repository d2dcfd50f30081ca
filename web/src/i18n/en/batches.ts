export const batches = {
  title: 'Batches',
};
