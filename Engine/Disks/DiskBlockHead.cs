namespace VmMigration.Engine.Disks;

/// <summary>What a frame says of the block it carries.</summary>
/// <param name="Block">Its number.</param>
/// <param name="Encoding">How its contents travel.</param>
/// <param name="LengthBytes">Their length when they are decoded: the block's.</param>
/// <param name="Digest">XXH128 of the decoded contents.</param>
internal readonly record struct DiskBlockHead(long Block, BlockEncoding Encoding, int LengthBytes, UInt128 Digest);
