/** `npm run bench -- SUITE [options]`: measurements, never tests. Trust ratios of one run, not absolute figures. */
const [suite, ...args] = process.argv.slice(2)

switch (suite) {
  case 'broker': {
    const { benchBroker } = await import('./broker.ts')
    await benchBroker(args)
    break
  }
  default:
    process.stderr.write('usage: npm run bench -- broker [--quick] [--all]\n')
    process.exitCode = 2
}
