/** UpdateFeatures: finalized feature levels, `transaction.version` above all. Source: KIP-584, KIP-1022. */
import type { UpgradeType } from '../../core/metadata/features.ts'
import { updateFeatures } from '../../protocol/messages/update-features.ts'
import { defineHandler } from '../handler.ts'

const UPGRADE_TYPES: Readonly<Record<number, UpgradeType>> = {
  1: 'UPGRADE',
  2: 'SAFE_DOWNGRADE',
  3: 'UNSAFE_DOWNGRADE',
}

export const updateFeaturesHandler = defineHandler(updateFeatures, {
  minVersion: 0,
  maxVersion: 2,
  deviations: ['metadata.version is fixed, and only features of parts that are here can be changed'],
  async handle(broker, request, { apiVersion }) {
    const updates = request.featureUpdates.map(({ feature, maxVersionLevel, allowDowngrade, upgradeType }) => ({
      name: feature,
      level: maxVersionLevel,
      // Version 0 only says whether a downgrade is allowed.
      upgradeType: apiVersion === 0 && allowDowngrade ? ('SAFE_DOWNGRADE' as const) : UPGRADE_TYPES[upgradeType],
    }))
    const refusal = await broker.catalogue.run((catalogue) =>
      catalogue.decideUpdateFeatures(updates, { validateOnly: request.validateOnly }),
    )
    if (refusal !== undefined) {
      const errorMessage = `The update failed for all features since the following feature had an error: ${refusal.message}`
      return { errorCode: refusal.error, errorMessage }
    }
    return {
      errorCode: 'NONE' as const,
      errorMessage: null,
      results: updates.map(({ name }) => ({ feature: name, errorCode: 'NONE' as const, errorMessage: null })),
    }
  },
})
