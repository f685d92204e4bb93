/** Runs while no other page or worker of the site runs under the same name. */
export async function locked<T>(name: string, run: () => Promise<T>): Promise<T> {
  const { locks } = navigator as Partial<Navigator>;
  if (locks === undefined) return run();
  return (await locks.request(`bertresnet:${name}`, run)) as T;
}
