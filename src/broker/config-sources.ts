/** Where the running broker's options get their values from, gathered for config-entries.ts. */
import type { ConfigSources } from './config-entries.ts'
import type { BrokerServices } from './services.ts'

export function configSourcesOf({ config, loadedConfig, catalogue, node }: BrokerServices): ConfigSources {
  return {
    config,
    loaded: loadedConfig,
    nodeConfigs: catalogue.catalogue.brokerConfigs(String(node.nodeId)),
    clusterConfigs: catalogue.catalogue.brokerConfigs(''),
  }
}
