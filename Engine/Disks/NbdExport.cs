namespace VmMigration.Engine.Disks;

/// <summary>What a handshake with an NBD server agreed on.</summary>
/// <param name="SizeBytes">Length of what it exports.</param>
/// <param name="Flags">Transmission flags (NBD_FLAG_*).</param>
/// <param name="ContextId">Number of base:allocation in answers about block status.</param>
internal readonly record struct NbdExport(long SizeBytes, ushort Flags, uint ContextId);
