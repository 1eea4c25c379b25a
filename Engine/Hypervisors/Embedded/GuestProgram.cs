namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// A deterministic program: registers and the share of memory after a step are a function of the two before it. Stateless, so one
/// instance serves every vCPU.
/// </summary>
internal abstract class GuestProgram
{
    /// <summary>What one draw adds to the random state: the golden ratio as a 64-bit fraction (SplitMix64, Steele et al. 2014).</summary>
    protected const ulong RandomIncrement = 0x9E3779B97F4A7C15;

    /// <summary>Which program this is.</summary>
    public abstract GuestProgramKind Kind { get; }

    /// <summary>Whether the program writes memory at all.</summary>
    public virtual bool WritesMemory => true;

    /// <summary>Whether the checksum register depends on what memory holds; else it stays 0.</summary>
    public virtual bool KeepsChecksum => false;

    /// <summary>Steps a second where the guest names no rate; 0 means as fast as it goes.</summary>
    public virtual long DefaultStepsPerSecond => 0;

    /// <summary>The program of a kind.</summary>
    public static GuestProgram Of(GuestProgramKind kind) => kind switch
    {
        GuestProgramKind.Idle => new IdleProgram(),
        GuestProgramKind.SequentialWriter => new SequentialWriter(),
        GuestProgramKind.HotSetWriter => new HotSetWriter(),
        GuestProgramKind.Checksum => new ChecksumKeeper(),
        _ => throw new MigrationException(MigrationErrorReason.InvalidArgument, $"There is no guest program {kind}."),
    };

    /// <summary>Registers of a vCPU that has run no step.</summary>
    public static VcpuRegisters InitialRegisters(ulong seed, int vcpu) =>
        new(0, Mix(Mix(seed) + (((ulong)vcpu + 1) * RandomIncrement)), 0, 0);

    /// <summary>
    /// Runs up to <paramref name="steps"/> steps, until <paramref name="access"/> refuses one, and leaves the registers as they are after
    /// the last one that was run.
    /// </summary>
    public abstract BatchEnd Run<TAccess>(ref VcpuRegisters registers, in GuestShare share, TAccess access, long steps)
        where TAccess : struct, IGuestAccess;

    /// <summary>
    /// The registers after <paramref name="steps"/> steps without running them; the checksum, which depends on memory, is left 0.
    /// </summary>
    public abstract VcpuRegisters RegistersAfter(in VcpuRegisters initial, in GuestShare share, long steps);

    /// <summary>Scrambles a random state into a random number (the finalizer of SplitMix64).</summary>
    protected static ulong Mix(ulong state)
    {
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB;
        return state ^ (state >> 31);
    }
}
