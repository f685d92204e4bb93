/** The folder of the features that `cacheFeatures` asks for; by default one that all of the site's runs share. */
export function featureFolder(asked: true | string): string {
  return asked === true ? '.cache/bertresnet/features' : asked;
}
