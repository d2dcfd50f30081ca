export const file = {
  title: 'File',
};
