namespace VmMigration.Engine.Disks;

/// <summary>Numbers of the NBD protocol (doc/proto.md of the NBD project); all integers on the wire are big-endian.</summary>
internal static class NbdWire
{
    public const ulong ServerMagic = 0x4e42444d41474943;
    public const ulong OptionMagic = 0x49484156454f5054;
    public const ulong OptionReplyMagic = 0x0003e889045565a9;
    public const uint RequestMagic = 0x25609513;
    public const uint SimpleReplyMagic = 0x67446698;
    public const uint StructuredReplyMagic = 0x668e33ef;

    public const int OptionHeadBytes = 16;
    public const int OptionReplyHeadBytes = 20;
    public const int RequestBytes = 28;
    public const int SimpleReplyBytes = 16;
    public const int StructuredReplyBytes = 20;
    public const int StatusDescriptorBytes = 8;

    /// <summary>Both sides speak the fixed newstyle handshake; the server leaves out 124 zero bytes (NBD_FLAG_C_NO_ZEROES).</summary>
    public const ushort FixedNewStyle = 1;
    public const uint ClientFlags = 3;

    public const uint OptionGo = 7;
    public const uint OptionStructuredReply = 8;
    public const uint OptionSetMetaContext = 10;

    public const uint ReplyAck = 1;
    public const uint ReplyInfo = 3;
    public const uint ReplyMetaContext = 4;
    public const uint ReplyErrorBit = 1u << 31;
    public const ushort InfoExport = 0;

    public const ushort SendsFlush = 1 << 2;
    public const ushort SendsWriteZeroes = 1 << 6;
    public const ushort IsReadOnly = 1 << 1;

    public const ushort CommandRead = 0;
    public const ushort CommandWrite = 1;
    public const ushort CommandDisconnect = 2;
    public const ushort CommandFlush = 3;
    public const ushort CommandWriteZeroes = 6;
    public const ushort CommandBlockStatus = 7;

    public const ushort ChunkDone = 1;
    public const ushort ChunkNone = 0;
    public const ushort ChunkOffsetData = 1;
    public const ushort ChunkOffsetHole = 2;
    public const ushort ChunkBlockStatus = 5;
    public const ushort ChunkErrorBit = 1 << 15;

    /// <summary>Of base:allocation: the extent reads as zeros.</summary>
    public const uint StateZero = 2;
}
