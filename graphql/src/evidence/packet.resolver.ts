import { Inject } from '@nestjs/common';
import { Parent, ResolveField, Resolver } from '@nestjs/graphql';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';

/** As large as a seal may write and a verifier reads: more than this is no packet. */
const MAX_PACKET_BYTES = 64 * 1024 * 1024;

/** The sealed evidence of a promotion. */
@Resolver('EvidencePacket')
export class PacketResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @ResolveField('document')
  async document(@Parent() { digest }: { readonly digest: string }): Promise<string> {
    const bytes = await this.#parts.evidence.getBytes(digest, { maxBytes: MAX_PACKET_BYTES });
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  }
}
