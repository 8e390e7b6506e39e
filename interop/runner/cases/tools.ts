import type { Context } from './context.ts'
export async function toolsCase(_context: Context): Promise<void> {}
