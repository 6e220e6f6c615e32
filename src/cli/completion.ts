export async function runCompletion(_shell: string): Promise<void> {}
