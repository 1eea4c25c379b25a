using System.Diagnostics;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// One vCPU: a dedicated background thread (a guest never takes a thread of the pool) that runs the guest program in batches and looks
/// for orders between them. What it waits for in the midst of a batch, a missing page or a trace fault that is held back, an order ends.
/// </summary>
internal sealed class EmbeddedVcpu : IDisposable
{
    private const int StackBytes = 256 * 1024;

    private static readonly TimeSpan oneTick = TimeSpan.FromMilliseconds(1.2);

    private readonly int number;
    private readonly VcpuProgram program;
    private readonly VcpuWatch watch;
    private readonly long stepsPerSecond;
    private readonly long haltAfterSteps;
    private readonly AutoResetEvent wake = new(false);
    private readonly VcpuErrands errands;
    private readonly TaskCompletionSource halted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread thread;
    private volatile VcpuOrder order;
    private VcpuOrder? obeyed;
    private VcpuRegisters registers;
    private long steps;
    private bool failed;

    /// <param name="number">Number of the vCPU, from 0; names its thread.</param>
    /// <param name="guest">What it runs.</param>
    /// <param name="share">The memory it owns; must stay mapped until <see cref="Join"/> has returned.</param>
    /// <param name="watch">What is to be heeded when it touches memory.</param>
    /// <param name="firstOrder">What to do at first.</param>
    public EmbeddedVcpu(int number, EmbeddedGuest guest, GuestShare share, VcpuWatch watch, VcpuOrder firstOrder)
    {
        this.number = number;
        this.watch = watch;
        errands = new VcpuErrands(number, wake);
        var code = GuestProgram.Of(guest.Program);
        program = new VcpuProgram(code, share, watch.Guards);
        stepsPerSecond = guest.StepsPerSecond == 0 ? code.DefaultStepsPerSecond : guest.StepsPerSecond;
        haltAfterSteps = guest.HaltAfterSteps == 0 ? long.MaxValue : guest.HaltAfterSteps;
        registers = GuestProgram.InitialRegisters(guest.Seed, number);
        order = firstOrder;
        thread = new Thread(Loop, StackBytes) { IsBackground = true, Name = $"vCPU {number}" };
    }

    /// <summary>Steps run so far, while it runs up to a batch behind.</summary>
    public long Steps => Volatile.Read(ref steps);

    /// <summary>Completes when the program has run all its steps.</summary>
    public Task Halted => halted.Task;

    /// <summary>Whether the thread has not ended.</summary>
    public bool IsAlive => thread.IsAlive;

    /// <summary>What it is asked to do between two batches.</summary>
    public VcpuErrands Errands => errands;

    /// <summary>The registers; only while the vCPU stands still, or before it was started.</summary>
    public VcpuRegisters Registers
    {
        get => registers;
        set
        {
            registers = value;
            Volatile.Write(ref steps, value.Steps);
        }
    }

    /// <summary>Whether there is an order that was not taken up.</summary>
    private bool IsOrdered => order != obeyed;

    /// <summary>Starts the thread.</summary>
    public void Start() => thread.Start();

    /// <summary>Gives a new order. The one before must have been obeyed.</summary>
    public void Obey(VcpuOrder next)
    {
        order = next;
        wake.Set();
    }

    /// <summary>Waits for the thread to end, after <see cref="VcpuMode.End"/> was obeyed.</summary>
    public void Join() => thread.Join();

    /// <summary>Frees what the thread used; it must have ended.</summary>
    public void Dispose() => wake.Dispose();

    private static TimeSpan Now() => Stopwatch.GetElapsedTime(0);

    private void Loop()
    {
        VcpuPace? pace = null;
        while (true)
        {
            VcpuOrder latest = order;
            if (latest != obeyed)
            {
                obeyed = latest;
                pace = new VcpuPace(stepsPerSecond, latest.Share, Now());
                latest.Acknowledge();
                if (latest.Mode == VcpuMode.End) break;
            }

            errands.RunPending();

            long left = haltAfterSteps - registers.Steps;
            if (left == 0) halted.TrySetResult();
            if (left == 0 || failed || latest.Mode == VcpuMode.Stand)
            {
                wake.WaitOne();
                continue;
            }

            long batch = Math.Min(left, pace!.Next(Now(), out TimeSpan rest));
            if (batch == 0)
            {
                wake.WaitOne((int)Math.Ceiling(rest.TotalMilliseconds));
                continue;
            }

            SoftwareWriteTrace? trace = watch.Traces.Armed;
            BatchEnd end = program.Run(ref registers, trace, batch);
            Volatile.Write(ref steps, registers.Steps);
            pace.Ran(end.Steps, Now());
            if (end.IsRefused && Resolve(end, trace)) pace.RanOneMore();
        }

        errands.Close();
    }

    /// <summary>Does what has to happen before the refused step can be tried again.</summary>
    /// <returns>Whether the step has been run.</returns>
    private bool Resolve(BatchEnd end, SoftwareWriteTrace? trace)
    {
        long page = end.RefusedOffset >> GuestMemory.PageShift;
        if (watch.Guards.IsPoisoned(page))
        {
            failed = true;
            watch.RaiseMachineCheck(page);
        }
        else if (watch.Guards.IsMissing(page))
        {
            WaitForPage(watch.Missing!, page);
        }
        else if (end.RefusedWrite && trace is not null)
        {
            TakeFault(trace, end.RefusedOffset);
            return true;
        }

        return false;
    }

    private void WaitForPage(EmbeddedMissingPages missing, long page)
    {
        if (!missing.Await(page, wake)) return;
        while (missing.IsMissing(page) && !IsOrdered)
        {
            wake.WaitOne();
            errands.RunPending();
        }

        missing.Leave(page, wake);
    }

    /// <summary>A first write to armed memory: it is held back for as long as the trace says, then the step is run and marked.</summary>
    private void TakeFault(SoftwareWriteTrace trace, long offset)
    {
        long started = Stopwatch.GetTimestamp();
        TimeSpan held = TimeSpan.Zero;
        for (TimeSpan rest; !IsOrdered && (rest = trace.HoldLeft(started, ref held)) > TimeSpan.Zero;)
        {
            errands.RunPending();

            // A wait is no finer than a timer; what is shorter is spun away, as the guest would have spent it.
            if (rest > oneTick) wake.WaitOne(1);
            else Thread.SpinWait(1);
        }

        trace.Lift(offset);
        program.RunLifted(ref registers, trace);
        Volatile.Write(ref steps, registers.Steps);
        trace.CountFault(number, Stopwatch.GetTimestamp() - started, held);
    }
}
