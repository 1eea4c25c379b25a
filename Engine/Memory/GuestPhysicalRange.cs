namespace VmMigration.Engine.Memory;

/// <summary>A part of RAM that a guest sees in one piece.</summary>
/// <param name="Address">Guest-physical address of its first byte.</param>
/// <param name="RamOffset">Offset of that byte from the start of the RAM block.</param>
/// <param name="LengthBytes">Length in bytes.</param>
public sealed record GuestPhysicalRange(long Address, long RamOffset, long LengthBytes);
