import { Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { type ReleaseRequestView, releaseView } from './release.view.ts';

/** A request to make a release. */
@Resolver('ReleaseRequest')
export class ReleaseRequestResolver {
  @ResolveField('release')
  async release(
    @Parent() { releaseDigest }: ReleaseRequestView,
    @Context() { loaders }: GraphqlContext,
  ) {
    return releaseDigest === null ? null : releaseView(await loaders.getRelease(releaseDigest));
  }
}
