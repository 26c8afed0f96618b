import { isDigest } from '@sluice/domain';
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBase64,
  IsInt,
  IsISO8601,
  IsNumber,
  IsOptional,
  IsString,
  Length,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  ValidateNested,
  validateSync,
} from 'class-validator';
import { AgentRefusal } from './agent-refusal.ts';

const MAX_ENVELOPE_CHARACTERS = 1024 * 1024;

function IsSha256(): PropertyDecorator {
  return ValidateBy({
    name: 'isSha256',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isDigest(value),
      defaultMessage: () => 'write sha256: and 64 lower-case hex digits',
    },
  });
}

/** Body of `POST /agent/v1/enroll`. */
export class EnrolInput {
  @Length(1, 2048)
  readonly token!: string;

  @Length(1, 2048)
  readonly publicKey!: string;

  @Length(1, 128)
  readonly version!: string;
}

/** Body of `POST /agent/v1/heartbeat`. */
export class HeartbeatInput {
  @Length(1, 128)
  readonly version!: string;

  @ValidateIf((_, value) => value !== null)
  @IsSha256()
  readonly activeRelease!: string | null;

  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  readonly lastSequence!: number;
}

class ProbeSampleInput {
  @IsISO8601({ strict: true })
  readonly sampledAt!: string;

  @IsInt()
  @Min(1)
  @Max(60)
  readonly seconds!: number;

  @IsInt()
  @Min(0)
  @Max(60_000)
  readonly requests!: number;

  @IsInt()
  @Min(0)
  @Max(60_000)
  readonly errors!: number;

  @ValidateIf((_, value) => value !== null)
  @IsNumber()
  @Min(0)
  readonly p50Ms!: number | null;

  @ValidateIf((_, value) => value !== null)
  @IsNumber()
  @Min(0)
  readonly p90Ms!: number | null;

  @ValidateIf((_, value) => value !== null)
  @IsNumber()
  @Min(0)
  readonly p99Ms!: number | null;

  @ValidateIf((_, value) => value !== null)
  @IsSha256()
  readonly activeRelease!: string | null;
}

/** Body of `POST /agent/v1/probes`. */
export class ProbesInput {
  @IsArray()
  @ArrayMaxSize(100)
  @ValidateNested({ each: true })
  @Type(() => ProbeSampleInput)
  readonly samples!: readonly ProbeSampleInput[];
}

/** Query of `GET /agent/v1/commands`, read into numbers. */
export class CommandsInput {
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  readonly after!: number;

  @IsInt()
  @Min(0)
  @Max(25)
  readonly waitSeconds!: number;
}

/** Parameter of `GET /agent/v1/blobs/<digest>`. */
export class BlobInput {
  @IsSha256()
  readonly digest!: string;
}

class SignatureInput {
  @IsBase64()
  @Length(1, 1024)
  readonly sig!: string;

  @IsOptional()
  @IsString()
  readonly keyid?: string;
}

class EnvelopeInput {
  @Length(1, 256)
  readonly payloadType!: string;

  @IsBase64()
  @Length(1, MAX_ENVELOPE_CHARACTERS)
  readonly payload!: string;

  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(8)
  @ValidateNested({ each: true })
  @Type(() => SignatureInput)
  readonly signatures!: readonly SignatureInput[];
}

/** Body of `POST /agent/v1/reports`. */
export class ReportInput {
  @ValidateNested()
  @Type(() => EnvelopeInput)
  readonly envelope!: EnvelopeInput;
}

/**
 * Validates what an agent sent, after the protocol's own strict reading of its JSON.
 * @throws AgentRefusal 400 with the code given; the message names the first field that is wrong
 */
export function assertInput<T extends object>(
  type: new () => T,
  value: object,
  code: string,
): void {
  const [problem] = validateSync(plainToInstance(type, structuredClone(value)), {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    stopAtFirstError: true,
  });
  if (problem === undefined) return;
  const why = Object.values(problem.constraints ?? {})[0] ?? 'it is not valid';
  throw new AgentRefusal(400, code, `${problem.property}: ${why}.`);
}
