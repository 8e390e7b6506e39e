/** `npm run bench -- SUITE [options]`: measurements, never tests. Trust ratios of one run, not absolute figures. */
const [suite, ...args] = process.argv.slice(2)

switch (suite) {
  case 'broker': {
    const { benchBroker } = await import('./broker.ts')
    await benchBroker(args)
    break
  }
  case 'client': {
    const { benchClient } = await import('./client.ts')
    await benchClient(args)
    break
  }
  case 'client-core': {
    const { benchClientCore } = await import('./client-core.ts')
    await benchClientCore(args)
    break
  }
  default:
    process.stderr.write(
      'usage: npm run bench -- broker [--quick] [--all] | client [--quick] [--memory] … | client-core\n',
    )
    process.exitCode = 2
}
