export const track = {
  title: 'Track',
};
