export const mission = {
  title: 'Mission',
};
