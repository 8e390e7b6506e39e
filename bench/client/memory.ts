export async function benchMemory(_args: readonly string[]): Promise<void> {}
