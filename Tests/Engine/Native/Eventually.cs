using System.Diagnostics;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

/// <summary>Waits for what another process does, with a limit.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static void Holds(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Limit, $"It did not become true within {Limit.TotalSeconds} s.");
            Thread.Sleep(2);
        }
    }
}
