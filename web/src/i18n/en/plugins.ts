export const plugins = {
  title: 'Plugins',
};
