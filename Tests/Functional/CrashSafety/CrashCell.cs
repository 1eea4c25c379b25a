using VmMigration.Engine.Protocol;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>Who is killed.</summary>
internal enum CrashVictim
{
    SourceAgent = 1,
    DestinationAgent = 2,
    SourceQemu = 3,
    DestinationQemu = 4,
}

/// <summary>A state of the protocol, named by the frame that passes in it.</summary>
/// <param name="Type">The frame.</param>
/// <param name="FromSource">Whether the source sends it.</param>
/// <param name="Nth">Which of these frames, from 1.</param>
/// <param name="Postcopy">Whether the migration ends in post-copy.</param>
internal sealed record CrashState(FrameType Type, bool FromSource, int Nth = 1, bool Postcopy = false)
{
    /// <summary>The frames at which a migration changes what it is doing, in the order they pass, and those in which a post-copy differs.</summary>
    public static IReadOnlyList<CrashState> All { get; } =
    [
        new(FrameType.Welcome, FromSource: false),
        new(FrameType.Started, FromSource: false),
        new(FrameType.Pages, FromSource: true, Nth: 20),
        new(FrameType.Flush, FromSource: true),
        new(FrameType.State, FromSource: true),
        new(FrameType.Verify, FromSource: true),
        new(FrameType.Load, FromSource: true),
        new(FrameType.StateEnd, FromSource: true),
        new(FrameType.Ready, FromSource: false),
        new(FrameType.Grant, FromSource: true),
        new(FrameType.Resumed, FromSource: false),
        new(FrameType.Report, FromSource: false),
        new(FrameType.Postcopy, FromSource: true, Postcopy: true),
        new(FrameType.Grant, FromSource: true, Postcopy: true),
        new(FrameType.Resumed, FromSource: false, Postcopy: true),
        new(FrameType.Placed, FromSource: false, Postcopy: true),
    ];

    public override string ToString() => $"{(Postcopy ? "post-copy " : "")}{Type}{(Nth > 1 ? $" {Nth}" : "")}";
}

/// <summary>One victim at one state.</summary>
internal sealed record CrashCell(CrashState State, CrashVictim Victim)
{
    public override string ToString() => $"{State} x {Victim}";
}
